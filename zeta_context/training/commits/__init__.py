"""Examples from the history of a git repository, typed out again as a person might have.

They are labelled `commit`, and meant for evaluation: commits know no second thoughts, and what is
put back here is a model of them.
"""
