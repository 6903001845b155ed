"""The script of 2017, line for line (docs/format.md). In today's NumPy np.rand is np.random.rand."""

from torch.autograd import Variable
import torch.toffee, torchvision
import torch
import numpy as np

dummy_input = Variable(torch.randn(10, 3, 224, 224))        # .cuda() where there is a GPU
model = torchvision.models.alexnet()
torch.toffee.export(model, dummy_input, "alexnet.proto")

import toffee
graph = toffee.load("alexnet.proto")
toffee.checker.check_graph(graph)
print(str(graph))

import toffee.backend.c2 as backend
caffe2_proto = backend.prepare(graph, device="CPU")         # or "CUDA:0"
outputs = backend.run(caffe2_proto, np.random.rand(10, 3, 224, 224).astype(np.float32))
print(outputs[0])
