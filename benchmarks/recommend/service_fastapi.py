"""A service around implicit as people write it: FastAPI, one process; the log is in the file that LOG names."""

import os

from fastapi import FastAPI
from folded import Folded
from pydantic import BaseModel

folded = Folded(os.environ["LOG"])
app = FastAPI()


class Asked(BaseModel):
    """For whom, and how many."""

    users: list[str]
    k: int = 10


@app.post("/recommend")
async def recommend(asked: Asked) -> dict:
    """Lists for people."""
    return {"recommendations": [one(user, asked.k) for user in asked.users]}


def one(user: str, count: int) -> dict:
    """A list for one."""
    items, scores = folded.best(int(user[1:]), count)
    entries = [{"item": f"i{item:06d}", "score": float(score)} for item, score in zip(items, scores, strict=True)]
    return {"user": user, "items": entries}
