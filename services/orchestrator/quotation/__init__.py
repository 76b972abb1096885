"""Answers by quotation: what a question asks for, and the sentences that say it."""
