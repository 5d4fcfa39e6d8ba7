"""Doubles of Nexus and of Akraino's validation UI, exact where the protocol is met.

They serve the offline loop and the tests; nothing else imports them.
"""
