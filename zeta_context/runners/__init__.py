"""Whatever completes a prompt with a model: behind one seam, in process or over HTTP."""
