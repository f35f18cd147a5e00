"""Which operator may speak for which domain: the signed trust list, its authority, revocation; `liaison trust`."""
