"""From scenarios and a seed: data sets, people, keys, papers and requests. Knows no gateway and no attacker's mind."""
