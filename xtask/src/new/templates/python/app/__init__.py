"""What @ID@ does."""
