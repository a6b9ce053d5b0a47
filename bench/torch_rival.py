"""The PyTorch side of rivals.mjs: reads `name<TAB>repetitions`, writes seconds per repetition. argv: threads."""
import sys
import time

import torch
from torch import nn

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)


def perceptron(sizes, batch):
    layers = []
    for i, (n, m) in enumerate(zip(sizes, sizes[1:])):
        layers += [nn.ReLU(), nn.Linear(n, m)] if i else [nn.Linear(n, m)]
    net = nn.Sequential(*layers)
    x, y = torch.randn(batch, sizes[0]), torch.randint(0, sizes[-1], (batch,))
    optimizer = torch.optim.Adam(net.parameters())

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def op(run, *shapes):
    inputs = [torch.randn(*shape) for shape in shapes]
    return lambda: run(*inputs)


M = 1 << 20
CASES = {
    "MLP 784-512-256-10, batch 128, Adam": perceptron([784, 512, 256, 10], 128),
    "MLP 784-128-10, batch 32, Adam": perceptron([784, 128, 10], 32),
    "MLP 16-32-10, batch 32, Adam": perceptron([16, 32, 10], 32),
    "matmul 512×512×512": op(torch.matmul, (512, 512), (512, 512)),
    "matmul 128×512×784": op(torch.matmul, (128, 784), (784, 512)),
    "matmul 64×64×64": op(torch.matmul, (64, 64), (64, 64)),
    "add 1,048,576": op(torch.add, (M,), (M,)),
    "exp 1,048,576": op(torch.exp, (M,)),
    "gelu 1,048,576": op(nn.functional.gelu, (M,)),
    "sum of 1024×1024 over rows": op(lambda x: x.sum(1), (1024, 1024)),
    "softmax 1024×1024": op(lambda x: x.softmax(1), (1024, 1024)),
    "add [1]": op(lambda x: x + x, (1,)),
}

for line in sys.stdin:
    name, *rest = line.rstrip("\n").split("\t")
    if name == "version":
        print(torch.__version__, flush=True)
        continue
    run, n = CASES[name], int(rest[0])
    # Single operations record nothing, as they do on the other side.
    with torch.set_grad_enabled(name.startswith("MLP")):
        start = time.perf_counter()
        for _ in range(n):
            run()
        print((time.perf_counter() - start) / n, flush=True)
