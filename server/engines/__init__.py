"""Other ways than eager torch to run a generator, each behind one protocol; built and measured in the background.

forward.py              the protocol, and which ways there are
winograd_forward.py     Winograd's filtering, in C++ of our own (winograd.cpp)
compile_forward.py      torch.compile with frozen weights
onnx_forward.py         onnxruntime
openvino_forward.py     OpenVINO
remembered.py           what was fastest on this machine
choice.py               when to build, how to measure, what takes over
"""
