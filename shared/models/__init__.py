"""Pydantic contracts of everything that crosses a boundary: the ground floor of the house."""
