"""The Jenkins master: its client, its recipe, and the embedded one."""
