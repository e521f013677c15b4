"""Provisioning that is cut off anywhere: the same request again comes to the same end."""
