"""The state machine when things go wrong: on two interpreters, with faults thrown at every state."""
