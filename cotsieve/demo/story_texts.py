"""The words and sentences that stories are told in."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIRLS = _words(
    "Anna Bella Chloe Dina Emma Fiona Grace Hana Ivy Julia "
    "Kira Lena Maria Nora Olga Paula Rosa Sara Tina Wendy"
)
BOYS = _words(
    "Adam Ben Carl David Eric Frank George Hugo Ivan Jack "
    "Kevin Liam Mark Noah Oscar Peter Ryan Sam Tom Victor"
)
ITEMS = _words(
    "apples balls beads books buttons candles cards coins cookies crayons "
    "eggs flowers lemons marbles muffins pencils shells stamps stickers stones toys"
)
CONTAINERS = _words("bags baskets boxes crates jars trays")
GIVERS = _words("aunt uncle mother father neighbor teacher")
RUNNING_ITEMS = {
    "+": (
        "{He} buys {n} more {items}.",
        "Then {friend} gives {him} {n} {items}.",
        "After that {he} finds {n} {items}.",
        "{His} {giver} sends {him} another {n} {items}.",
        "The next day {he} gets {n} more.",
    ),
    "-": (
        "{He} gives {n} {items} to {friend}.",
        "Then {he} loses {n} of the {items}.",
        "After that {he} sells {n} {items}.",
        "{friend} takes away {n} {items}.",
        "The next day {n} {items} are thrown away.",
    ),
    "*": (
        "By the end of the week {he} has {n} times as many {items}.",
        "Then the number of {items} grows to {n} times as much.",
        "{He} keeps collecting until {he} has {n} times as many {items}.",
    ),
    "/": (
        "{He} splits the {items} into {n} equal piles and keeps only one pile.",
        "Then only one out of every {n} {items} is left.",
        "{He} puts them evenly on {n} shelves and sells all but one shelf.",
    ),
}
RUNNING_MONEY = {
    "+": (
        "{He} earns {n} dollars by washing a car.",
        "Then {friend} pays {him} back {n} dollars.",
        "{His} {giver} gives {him} another {n} dollars.",
        "After that {he} finds {n} dollars.",
        "The next day {he} makes {n} dollars more.",
    ),
    "-": (
        "{He} spends {n} dollars on lunch.",
        "Then {he} buys a ticket for {n} dollars.",
        "{He} lends {n} dollars to {friend}.",
        "After that {he} pays {n} dollars for the bus.",
        "The next day {he} loses {n} dollars.",
    ),
    "*": (
        "By the end of the month {his} savings grow to {n} times as much.",
        "Then {his} {giver} adds money until {he} has {n} times as much.",
        "{He} keeps saving until {he} has {n} times as many dollars.",
    ),
    "/": (
        "{He} splits the money into {n} equal parts and keeps only one part.",
        "Then only one out of every {n} dollars is left.",
        "{He} puts the money evenly into {n} jars and spends all but one jar.",
    ),
}
RUNNING_GROUP = {
    "+": (
        "Together they buy {n} more {items}.",
        "Then they find {n} more {items}.",
        "Their {giver} brings them another {n} {items}.",
    ),
    "-": (
        "Together they give away {n} of the {items}.",
        "Then they lose {n} {items}.",
        "After that they sell {n} {items}.",
    ),
    "*": (
        "By the end of the week they have {n} times as many {items}.",
        "They keep collecting until they have {n} times as many {items}.",
        "Then the number of {items} grows to {n} times as much.",
    ),
    "/": (
        "They split the {items} into {n} equal piles and keep only one pile.",
        "Then only one out of every {n} {items} is left.",
        "They put them evenly on {n} shelves and sell all but one shelf.",
    ),
}
EACH_FRIEND = "How many {items} does each friend get?"
FINAL_SHARE = {
    "items": (
        "{He} shares the {items} equally among {n} friends. How many {items} does each friend get?",
        "In the end {he} puts the {items} into {n} equal rows. How many {items} are in each row?",
        "{He} packs all the {items} evenly into {n} bags. How many {items} are in one bag?",
    ),
    "money": (
        "{He} shares the money equally among {n} friends. How many dollars does each friend get?",
        "{He} spends all the money evenly over {n} days. How many dollars does {he} spend per day?",
        "In the end {he} puts the money into {n} equal piles. How many dollars are in each pile?",
    ),
    "group": (
        f"They share all the {{items}} equally among {{n}} friends. {EACH_FRIEND}",
        "In the end they put the {items} into {n} equal rows. How many {items} are in each row?",
        "They pack all the {items} evenly into {n} bags. How many {items} are in one bag?",
    ),
}
FINAL_QUESTION = {
    "items": (
        "How many {items} does {name} have now?",
        "How many {items} are left in the end?",
        "How many {items} does {he} have in total?",
    ),
    "money": (
        "How many dollars does {name} have now?",
        "How much money is left in the end?",
        "How many dollars does {he} have in total?",
    ),
    "group": (
        "How many {items} do they have now?",
        "How many {items} are left in the end?",
        "How many {items} do they have together?",
    ),
}
INVENTORY_START = (
    "{name} has {n} {items}.",
    "{name} starts the day with {n} {items}.",
    "{name} brings {n} {items} to school.",
    "{name} collected {n} {items}.",
)
CONTAINER_START = (
    "{name} has {m} {boxes} with {n} {items} in each.",
    "{name} fills {m} {boxes} with {n} {items} each.",
    "{name} finds {m} {boxes} that hold {n} {items} each.",
    "{name} buys {m} {boxes} of {items}, and every one contains {n} {items}.",
)
WAGE_START = (
    "{name} works for {m} hours and earns {n} dollars per hour.",
    "{name} walks dogs for {m} days and gets {n} dollars each day.",
    "{name} sells {m} cakes for {n} dollars each.",
)
GIFT_START = (
    "{name} gets {m} dollars from {his} {giver} and {n} dollars from {friend}.",
    "{name} saved {m} dollars in May and {n} dollars in June.",
    "{name} has {m} dollars in a wallet and {n} dollars at home.",
)
COMPARISONS = {
    "+": (
        "{other} has {n} more {items} than {name}.",
        "{other} collected {n} more than {name}.",
        "{name} has {n} fewer {items} than {other}.",
    ),
    "-": (
        "{other} has {n} fewer {items} than {name}.",
        "{other} collected {n} fewer than {name}.",
        "{name} has {n} more {items} than {other}.",
    ),
    "*": (
        "{other} has {n} times as many {items} as {name}.",
        "{other} collected {n} times as many as {name}.",
    ),
    "/": (
        "{other} has half as many {items} as {name}.",
        "{other} collected half as many as {name}.",
    ),
}
SUM_SENTENCES = (
    "All their {items} go into one chest.",
    "They put all their {items} together.",
    "They count all of the {items}.",
)
STEP_SENTENCES = {
    "+": ("That makes {e} {items}.", "Adding gives {e} {items}."),
    "-": ("That leaves {e} {items}.", "Taking away gives {e} {items}."),
    "*": ("Multiplying gives {e} {items}.", "That is {e} {items}."),
    "/": ("Dividing gives {e} {items}.", "Each part is {e} {items}."),
}
