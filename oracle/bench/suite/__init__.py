"""`oracle bench models`: a folder of other people's models, each built as a user would, beside ezkl's defaults.

subjects   the models of a folder, and their inputs
trial      one model: built, proven, compared with onnxruntime
defaults   the same model in ezkl's own pipeline
child      the process that does both for one model, and writes down what it has so far
limited    that process from outside: its time, its memory, its end
run        all models, one after the other; what was measured before is not measured again
table      the report for people, and in Markdown
"""
