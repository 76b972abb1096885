"""Pydantic contracts of everything that crosses a boundary; all other packages build on them."""
