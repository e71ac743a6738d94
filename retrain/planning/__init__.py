"""Pure decisions: what next, may the challenger replace the champion, is it rolled back?"""
