"""Models as people export them: what scikit-learn, XGBoost, LightGBM and PyTorch write, with samples of their inputs.

Each module has `MODELS`: functions by name, and each returns an ONNX file and its samples. `python -m tests.exports
FOLDER` writes all whose library is installed, as NAME.onnx and NAME.npy. `oracle bench models FOLDER` measures them.
No module needs the package `oracle`, so that another environment can write them: PyTorch is too large for this one.
"""
