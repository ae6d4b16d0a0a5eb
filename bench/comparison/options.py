"""What the command lines of bench/compare and bench/serve have in common."""


def check_names(parser, names, known, what):
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f'no such {what}: {", ".join(unknown)} (there are {", ".join(known)})')
