"""The embedded Jenkins: what the suite's clients and Jenkins Job Builder need of Jenkins 2.528.2.

It is ours, not Jenkins, and says "embedded" where a person looks. It speaks as the recorded
server did, and runs the shell steps of jobs for real.
"""

#: The Jenkins that was recorded, and that this one answers as.
VERSION = "2.528.2"
