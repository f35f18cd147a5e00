"""What products ask, a class for each subject: every operation of the contract is a method of one of them."""
