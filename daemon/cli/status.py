"""`driftd status`: where things stand."""

import time
from typing import Any

from daemon.cli.arguments import Json
from daemon.cli.output import print_json, when
from daemon.cli.session import SESSION
from daemon.reports.followers import follower_sentence
from daemon.reports.performance import estimate_sentence, rise_sentence
from daemon.reports.serving import analyst_sentence, serving_sentences
from daemon.runtime.backups import BackupNote, backup_sentence
from drift.notation import counted

MOST_CLASSES = 5
"""New classes that are listed."""


def status(json: Json = False) -> None:
    """Where things stand: each model's served version, files, drift, open cycle, and what it waits for."""
    from daemon.reports.status import status_json

    config = SESSION.config()
    with SESSION.ledger(config) as ledger:
        facts = status_json(config, ledger)
    if json:
        print_json(facts)
        return
    running = "running" if facts["running"] else "not running"
    shard = "" if facts["shard"] is None else f"shard {facts['shard']}; "
    print(f"driftd is {running}; {shard}{_where(facts['address'], config.service.listen)}")
    if facts["leader"] is not None:
        print(_leader(facts["leader"], facts["running"]))
    for note in facts["backups"].values():
        print(f"{'TROUBLE: backup' if note['lost'] else 'backup:'} {backup_sentence(BackupNote(**note))}")
    if sentence := analyst_sentence(facts["analyst"], time.time()):
        print(f"TROUBLE: {sentence}")
    if mlflow := facts["mlflow"]:
        print(_mirror(mlflow))
    if lineage := facts["openlineage"]:
        print(_lineage(lineage))
    for one in facts["followers"]:
        from daemon.reading.rejects import printable

        is_trouble, sentence = follower_sentence(one)
        print(f"{'TROUBLE: ' if is_trouble else ''}host {printable(sentence)}")
    for name, model in facts["models"].items():
        _print_model(name, model)


def _lineage(lineage: dict[str, Any]) -> str:
    """How events of cycles come along."""
    from daemon.reading.rejects import printable

    waits, why = lineage["waiting"], lineage["reason"]
    since = f" since {when(lineage['waiting_since'])}" if waits else ""
    reason = f" ({printable(why)})" if waits and why else ""
    lost = f"; {lineage['given_up']} given up" if lineage["given_up"] else ""
    trouble = "TROUBLE: " if reason or lost else ""
    return (
        f"{trouble}OpenLineage: {counted(lineage['delivered'], 'event')} arrived; {waits} waiting{since}{reason}{lost}"
    )


def _mirror(mlflow: dict[str, Any]) -> str:
    """How MLflow's copy stands."""
    from daemon.reading.rejects import printable

    failing, behind = mlflow["failing"], mlflow["behind"]
    since = "" if mlflow["since"] is None else f" since {when(mlflow['since'])}"
    stands = f"behind{since} with {', '.join(behind)}" if behind else "as the ledger is"
    last = "" if mlflow["mirrored_at"] is None else f"; brought up to date last {when(mlflow['mirrored_at'])}"
    why = "" if failing is None else f": {printable(failing['reason'])}"
    return f"{'TROUBLE: ' if failing or behind else ''}MLflow at {mlflow['tracking_uri']} is {stands}{why}{last}"


def _where(address: str, configured: str) -> str:
    """Where it listens, where that is known; the configuration may have changed since."""
    if not address:
        return f"{configured} is configured"
    return address if address == configured else f"{address} ({configured} is configured)"


def _leader(leader: dict[str, Any], running: bool) -> str:
    """Which host does the work, where a ledger lets several stand ready."""
    told = f"{leader['holder']} leads, term {leader['term']}, since {when(leader['since'])}"
    if not leader["leads"]:
        told = f"nobody leads: the lease of {leader['holder']}, term {leader['term']}, ran out"
    if leader["is_here"]:
        return f"{told}; that is this host"
    return f"{told}; this host stands by" if running else told


def _served(champion: dict[str, Any]) -> str:
    """By its name in answers, which is a version's where it is not a blend of several."""
    blend = "a blend, which answers call " if len(champion["members"]) > 1 else ""
    return f"{blend}{champion['version']}"


def _watched(champion: dict[str, Any] | None, elsewhere: dict[str, Any]) -> str:
    """Of a model that another system serves: what it is compared with."""
    from daemon.reading.rejects import printable

    if champion is None:
        return "what another system predicts; no reference yet"
    of = "" if elsewhere["version"] is None else f" of its {printable(elsewhere['version'])}"
    made = f"{champion['version']}, made {when(champion['at'])}"
    return f"what another system predicts{of}, beside {made}: {champion['reason']}"


def _of_source(source: dict[str, Any]) -> str:
    from daemon.reading.rejects import printable

    last, failing = source["last"], source["failing"]
    told = "nothing was pulled yet"
    if last is not None:
        told = f"{counted(last['rows'], 'row')} pulled last, {when(last['at'])}, up to {source['watermark']} "
        told += printable(last["value"]) + ("" if last["taken"] else f"; {last['file']} is not taken in")
    return told + (f"; FAILING since {when(failing['at'])}: {printable(failing['reason'])}" if failing else "")


def _decides(rule: dict[str, Any]) -> str:
    """Which class is answered, in words."""
    import msgspec

    from retrain.model.decision import Decision

    return msgspec.convert(rule, Decision).sentence()


def _print_recommender(champion: dict[str, Any]) -> None:
    from daemon.reports.recommender import blend_sentence, in_service_sentence

    if champion["in_service"] is not None:
        print(f"  in service {in_service_sentence(champion['in_service'])}")
    if champion["blend"] is not None:
        print(f"  blend      {blend_sentence(champion['blend'])}")


def _print_model(name: str, model: dict[str, Any]) -> None:
    from daemon.reading.rejects import printable
    from daemon.reports.cpu import cpu_sentence

    champion, cycle, check = model["champion"], model["cycle"], model["last_check"]
    elsewhere = model["elsewhere"]
    served = "no version yet" if champion is None else f"{_served(champion)}, since {when(champion['at'])}"
    print(f"\n{name}  ({model['task']}, {model['mode']}{', paused' if model['paused'] else ''})")
    if elsewhere is None:
        print(f"  serves     {served}")
    else:
        print(f"  watches    {_watched(champion, elsewhere)}")
    for is_trouble, sentence in serving_sentences(model["served"]):
        print(f"  {'TROUBLE' if is_trouble else 'swap':<10} {printable(sentence)}")
    if model["unloadable"]:
        print(f"  TROUBLE    it cannot be loaded here: {printable(model['unloadable'])}; the service makes it anew")
    if model["hung_folder"]:
        print(f"  TROUBLE    {model['hung_folder']} does not answer, as on a dead mount: its files wait")
    if model["schema_changes"]:
        print(f"  schema     the configuration changed since: {'; '.join(model['schema_changes'])}")
    if champion is not None and len(champion["members"]) > 1:
        print(f"  blends     {', '.join(f'{name} {weight:.0%}' for name, weight in champion['members'].items())}")
    if champion is not None and champion["rolled_back"]:
        print(f"  undone     {champion['rolled_back']}, rolled back: {champion['reason']}")
    if champion is not None and champion["value"] is not None:
        unit = "moments" if model["task"] == "recommendation" else "rows"
        where = f"held-out {unit}" if elsewhere is None else "the labelled rows of its reference"
        print(f"  evaluated  {champion['metric']} {champion['value']:.4f} on {where}")
    if champion is not None and champion["learned"]:
        print(f"  learned    {champion['learned']}")
    if champion is not None and champion["decision"]:
        print(f"  decides    {printable(_decides(champion['decision']))}")
    if champion is not None and model["task"] == "recommendation":
        _print_recommender(champion)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(model["files"].items())) or "none"
    row = "event" if model["task"] == "recommendation" else "labelled row"
    held = f"; `driftd files {name} --held` says why" if model["files"].get("held") else ""
    print(f"  files      {counts}; {counted(model['labelled_rows'], row)}{held}")
    if (labels := model["labels"]) and labels["sentence"]:
        print(f"  labels     {printable(labels['sentence'])}")
    if labels and labels["wait"]:
        print(f"  UNSETTLED  {printable(labels['wait'])}")
    if settling := model["settling"]:
        paused = f"{printable(settling['path'])} paused {settling['pause_s']:.1f} s while it was written"
        configured = f"learned; intake.settle is {settling['configured_s']:g} s"
        print(f"  settle     {settling['settle_s']:.0f} s: {paused} ({configured})")
    for one in model["new_classes"][:MOST_CLASSES]:
        print(f"  CLASS      {printable(one['reason'])}; its rows teach nobody: {printable(one['way_out'])}")
    if (more := len(model["new_classes"]) - MOST_CLASSES) > 0:
        print(f"  CLASS      and {more} more: `driftd status --json` lists them")
    if spent := cpu_sentence(model["cpu"]):
        print(f"  CPU        {spent}")
    kept = model["prediction_log"]
    if kept["rows"]:
        print(f"  answers    {counted(kept['rows'], 'row')} kept since {when(kept['since'])}")
    if scoring := model["scoring"]:
        counts = ", ".join(f"{count} {state}" for state, count in sorted(scoring["files"].items())) or "none yet"
        refused = scoring["refused"]
        why = f"; {printable(refused['path'])} was refused: {printable(refused['reason'])}" if refused else ""
        print(f"  scoring    {counts}{why}")
    if prefix := model["prefix"]:
        failing = prefix["failing"]
        why = f"; FAILING since {when(failing['at'])}: {printable(failing['reason'])}" if failing else ""
        print(f"  data       {printable(prefix['uri'])}{why}")
    if source := model["source"]:
        print(f"  source     {_of_source(source)}")
    if check is not None:
        untested = f"not tested: {check['untested']}" if check["untested"] else "no drift"
        found = f"drift in {', '.join(check['drifted'][:5])}" if check["drift"] else untested
        score = "" if check["value"] is None else f"; {check['metric']} {check['value']:.4f}"
        print(f"  last check {found}{score} ({when(check['at'])})")
        for sentence in (check["together"] or {"sentences": ()})["sentences"]:
            print(f"  together   {sentence}")
        if rise := rise_sentence(check["stream"]):
            print(f"  errors     {rise}")
        if estimate := estimate_sentence(check["estimated"]):
            print(f"  estimated  {estimate}")
    if groups := model["groups"]:
        for warning in groups["warnings"]:
            print(f"  GROUP      {printable(warning)}")
        for sentence in groups["sentences"]:
            print(f"  groups     {printable(sentence)}")
    if failed := model["failed_cycle"]:
        print(f"  TROUBLE    cycle {failed['id']}: {printable(failed['reason'])} ({when(failed['at'])})")
    if cycle is not None:
        where = f" on Dask worker {cycle['worker']}" if cycle["worker"] else ""
        print(f"  cycle      {cycle['id']}, {cycle['state']} at {cycle['stage']}{where}: {cycle['trigger']}")
    elif model["waits_for"]:
        print(f"  next       {model['waits_for']}")
    trial = model["trial"]
    if trial is not None:
        from daemon.reports.trial import terms

        print(f"  trial      {trial['version']} {terms(trial)} until {when(trial['until'])}: {trial['told']}")
