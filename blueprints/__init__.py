"""What must be shown, as data: layers, criteria, profiles, pins; and how evidence is written."""
