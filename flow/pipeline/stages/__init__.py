"""The stages of a build, one per file; `flow.pipeline.build.STAGES` is their order."""
