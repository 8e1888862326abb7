"""What a network is: models as equation strings, the parts that it joins, and the plan of both."""
