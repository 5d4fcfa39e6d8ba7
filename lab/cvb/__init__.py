"""The Connected Vehicle Blueprint: its interfaces, and a reference application for our labs."""
