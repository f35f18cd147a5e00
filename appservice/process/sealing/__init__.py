"""The seal's keys change: what old ones have sealed is sealed anew, and an old one may go once it holds nothing."""
