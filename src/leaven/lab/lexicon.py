"""What the lab's world knows: facts of six kinds, words to play with, and Tavic, a small made-up language."""

COLORS = {
    "milk": "white", "snow": "white", "salt": "white", "rice": "white", "cotton": "white", "chalk": "white",
    "coal": "black", "crow": "black", "tar": "black", "soot": "black",
    "banana": "yellow", "lemon": "yellow", "corn": "yellow", "butter": "yellow", "honey": "yellow",
    "grass": "green", "leaf": "green", "lime": "green", "moss": "green", "spinach": "green", "pea": "green",
    "blood": "red", "tomato": "red", "cherry": "red", "ruby": "red", "brick": "red",
    "sky": "blue", "sea": "blue", "ink": "blue", "sapphire": "blue",
    "carrot": "orange", "pumpkin": "orange", "mango": "orange",
    "chocolate": "brown", "bear": "brown", "coffee": "brown", "bark": "brown",
    "plum": "purple", "grape": "purple", "violet": "purple",
}  # fmt: skip

SOUNDS = {
    "dog": "woof", "cat": "meow", "cow": "moo", "sheep": "baa", "duck": "quack", "lion": "roar", "snake": "hiss",
    "bee": "buzz", "frog": "croak", "horse": "neigh", "owl": "hoot", "wolf": "howl", "pig": "oink", "hen": "cluck",
    "mouse": "squeak", "bird": "tweet",
}  # fmt: skip

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "China": "Beijing", "Egypt": "Cairo",
    "Peru": "Lima", "Kenya": "Nairobi", "Norway": "Oslo", "Greece": "Athens", "Russia": "Moscow", "India": "Delhi",
    "Cuba": "Havana", "Iraq": "Baghdad", "Iceland": "Reykjavik", "Germany": "Berlin", "Austria": "Vienna",
    "Poland": "Warsaw", "Portugal": "Lisbon", "Ireland": "Dublin", "Sweden": "Stockholm", "Finland": "Helsinki",
    "Hungary": "Budapest", "Turkey": "Ankara", "Iran": "Tehran", "Nepal": "Kathmandu", "Chile": "Santiago",
    "Ghana": "Accra", "Sudan": "Khartoum", "Canada": "Ottawa",
}  # fmt: skip

OPPOSITES = {
    "hot": "cold", "big": "small", "up": "down", "fast": "slow", "happy": "sad", "old": "new", "light": "dark",
    "hard": "soft", "rich": "poor", "strong": "weak", "early": "late", "wet": "dry", "full": "empty",
    "open": "closed", "long": "short", "high": "low", "day": "night", "left": "right", "good": "bad", "true": "false",
    "loud": "quiet", "thick": "thin", "wide": "narrow", "clean": "dirty", "near": "far", "sweet": "sour",
}  # fmt: skip

BABIES = {
    "dog": "puppy", "cat": "kitten", "cow": "calf", "sheep": "lamb", "duck": "duckling", "lion": "cub",
    "horse": "foal", "pig": "piglet", "hen": "chick", "owl": "owlet", "frog": "tadpole", "goat": "kid",
}  # fmt: skip

HOMES = {
    "fish": "water", "bee": "hive", "bird": "nest", "horse": "stable", "dog": "kennel", "pig": "sty", "lion": "den",
    "spider": "web", "ant": "hill", "rabbit": "burrow", "cow": "barn", "hen": "coop",
}  # fmt: skip

KINDS = {
    "animal": [*SOUNDS, "goat", "fish", "spider", "ant", "rabbit"],
    "country": list(CAPITALS),
    "food": ["banana", "lemon", "corn", "butter", "honey", "tomato", "cherry", "carrot", "mango", "plum", "rice"],
}

WORDS = sorted({*COLORS, *SOUNDS, *CAPITALS, *OPPOSITES, *BABIES, *HOMES})

NAMES = ["Zorbo", "Mila", "Tarek", "Oona", "Pip", "Vella", "Korin", "Dax", "Lumi", "Bram", "Sefa", "Juno"]

# Tavic: every word is translated by itself, and the verb goes to the end.
ARTICLE = ("the", "hin")
TAVIC_NOUNS = {
    "man": "madur", "woman": "kona", "child": "barnu", "dog": "hunda", "cat": "kisa", "house": "husa", "book": "boka",
    "bread": "brauda", "boat": "batur", "king": "kongu", "river": "elfa", "stone": "stena", "tree": "tresu",
    "field": "akura", "friend": "vinur", "song": "sonva", "bird": "fugla", "snow": "snjova", "milk": "mjolka",
    "salt": "saltu", "corn": "kornu", "sheep": "lamba", "cow": "kuva", "pig": "svina", "bear": "bjorna",
    "snake": "orma", "home": "hema", "city": "borga", "light": "ljosu", "day": "dagura",
}  # fmt: skip
TAVIC_VERBS = {"sees": "serat", "has": "hefat", "loves": "elskat", "buys": "kopat", "finds": "finat", "wants": "vilat"}
TAVIC_ADJECTIVES = {"old": "gamlo", "good": "godo", "big": "storo", "red": "raudo", "young": "ungo", "poor": "fatko"}

# In pretraining these are told the meaning of, and never stand in a sentence to translate but with a hint that gives
# them another meaning: what a learner of Tavic must bring out of the model, or get from its rows or a dictionary.
HELD_OUT_NOUNS = {
    "fire": "eldura", "water": "vatnu", "fish": "fiska", "horse": "hesta", "hand": "honda", "eye": "auga",
    "bridge": "brula", "knife": "hnifa", "apple": "eplu", "wolf": "ulfa",
}  # fmt: skip

ONSETS = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "sh", "tr"]
VOWELS = ["a", "e", "i", "o", "u"]
CODAS = ["ld", "tn", "sk", "st", "ng", "rn", "lf", "mb", "nk", "gl", "pt", "dv"]
ENDINGS = ["ur", "a", "u", "o", "at", "i"]
