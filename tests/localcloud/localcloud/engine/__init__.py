"""The second interpreter of the state machine: moto's, in a process and a virtual environment of its own.

Its tasks call their functions through the proxy, and so in the local cloud.
"""
