"""Values as text for people and machines. No effects: everything returns a string."""
