"""A short file in which the same call stands three times."""

BASKET = """\
def total(basket):
    print("total", basket.user)
    return sum(basket.prices)

def save(basket):
    print("save", basket.user)
    write(basket)

def drop(basket):
    print("drop", basket.user)
    delete(basket)
"""
