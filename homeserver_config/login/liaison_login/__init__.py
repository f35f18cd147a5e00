"""Login by Pro Santé Connect, inside of Synapse: ``provider.Provider`` judges it, ``module.Login`` what follows."""
