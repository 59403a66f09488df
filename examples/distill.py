import ampc

if __name__ == "__main__":  # worker processes import this file
    run = ampc.Run.create("runs/example", ampc.preset("quick"))
    run.collect()
    run.train()
    print(run.export())
    summary, verdicts, latency = run.evaluate()
    print(summary.find("interior", "ffn", "success"))
    print(run.report())
