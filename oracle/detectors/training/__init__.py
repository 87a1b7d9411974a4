"""Training a detector on a user's own data: reports → splits → fit → thresholds → model file, graph and card.

- `data`: series of reports, from files or as feeds made them, with their peers.
- `reports`: the windows that the contract derives from them.
- `series`: one series as the detector and its card see it.
- `run`: the workflow from data to files.
- `replay`: the trained detector on its own data.
- `model_card`, `card_text`: the card that training writes beside the model, as JSON and as Markdown. It is the owner's
  own statement; a *proven* card, which nobody has to believe, is in `oracle.detectors.cards`.
- `default_model`: how the model that ships with the package was fitted.

Everything follows from the data, the configuration with its seed, and the salt: the same give the same bytes. Nothing
is taken from the clock or the machine, except the versions of the libraries that estimate.
"""
