"""Data that everything works on: types, values, symbols, memory, archives, boards."""
