"""What a fresh model would have saved, against the price of a retrain, in words. Pure."""

from drift.notation import amount, apart
from retrain.planning.regret import Price, affordable
from retrain.records.planner_state import Regret

SPREAD_OVER = (3, 10, 30, 100)
"""Labelled files over which a price is spread in words: the fewest on each of which half of the usual loss, or less,
would do."""

NDCG = "ndcg_at_10"
"""Whose gains are shares of what is served, since nobody earns most of 1 − NDCG."""


def saved_against_price(regret: Regret, price: Price) -> str:
    """The comparison that decides, in one sentence.

    >>> saved_against_price(Regret(0.0636, 3, 3, metric="accuracy", loss=0.2), Price(0.5, 0.2, 1.0, 0.5, 1.0))
    'a fresh model would have saved 0.0636 accuracy, added up over 3 labelled files, chance deducted; a retrain pays
    from 0.0500 (as much as 0.0167 on each of 3 files)'
    """
    digits = apart(regret.sum, price.total)
    return f"{_saved(regret, digits)}; {_pays(regret, price, digits)}"


def _saved(regret: Regret, digits: int) -> str:
    metric = "of the served NDCG" if regret.metric == NDCG else regret.metric or "of the metric"
    saves = "gained" if regret.metric == NDCG else "saved"
    if not regret.sum:
        saved = f"no {regret.metric}" if regret.metric and regret.metric != NDCG else "nothing"
        return f"a fresh model would have {saves} {saved} beyond chance on the newest labelled file"
    files = "1 labelled file" if regret.span == 1 else f"{regret.span:,} labelled files"
    return f"a fresh model would have {saves} {regret.sum:,.{digits}f} {metric}, added up over {files}, chance deducted"


def _pays(regret: Regret, price: Price, digits: int) -> str:
    pays = f"a retrain pays from {price.total:,.{digits}f} ({spread(price)})"
    if affordable(regret):
        return pays
    return (
        f"{pays}, but none opens before the budget (triggers.retrains) allows it: {-regret.credit:.1f} are ahead of it"
    )


def spread(price: Price) -> str:
    """A price in the user's terms.

    >>> spread(Price(0.5, 0.2, 1.0, 1.0, 1.0)), spread(Price(0.5, 0.2, 4.0, 4.0, 1.0))
    ('as much as 0.0333 on each of 3 files', 'as much as 0.0533 on each of 30 files')
    """
    files = next((n for n in SPREAD_OVER if price.total / n <= price.loss / 2), SPREAD_OVER[-1])
    return f"as much as {amount(price.total / files)} on each of {files} files"
