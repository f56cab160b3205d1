"""From the state of the editor to a prediction that is worth showing, or a reason for none."""
