"""What messages hold beside text: places, polls, cards, and whom they call; on the wire, and in the hub's words."""
