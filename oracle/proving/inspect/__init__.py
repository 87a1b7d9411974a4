"""Reports for people: `model` tells of an ONNX file, `artifact` of an artifact, as `views`. Neither makes a key."""
