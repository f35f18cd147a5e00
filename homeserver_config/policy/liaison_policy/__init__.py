"""A module for stock Synapse: who may reach whom, and which rooms may be.

The rules are files without Synapse and without input or output; :class:`liaison_policy.policy.Policy` puts them where
Synapse asks. homeserver.yaml names the class as ``liaison_policy.policy.Policy``.
"""
