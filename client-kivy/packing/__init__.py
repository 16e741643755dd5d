"""How the app is packed: its icon and fonts, what a phone gets, and the program for a desktop."""
