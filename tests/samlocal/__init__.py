"""The stages in SAM local's containers: each function by itself, and the whole state machine with them."""
