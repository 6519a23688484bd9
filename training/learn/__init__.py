"""Learning from use: recorded images with the labels that people told become a challenger, or nothing.

    learner ─┬─ decisions     what stands is promoted, taken back, or waits
             └─ candidates ─┬─ lessons       which images train, and which measure: the latest never train
                            ├─ sources       whose labels are left out
                            └─ comparisons   two models on the same labeled images

This room alone of training reads the records and decides about models.
"""
