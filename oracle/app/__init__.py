"""Where the products meet: one module per thing that an operator does."""
