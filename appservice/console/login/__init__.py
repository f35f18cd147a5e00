"""The OpenID provider, and its tokens; and the sessions here that come of them."""
