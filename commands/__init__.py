"""The commands, by what they are for: each reads its options, makes one call to the library, and prints the answer."""
