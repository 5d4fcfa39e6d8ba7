"""The machines of teacher and student: pages and browser on them, and what KVM says of them."""
