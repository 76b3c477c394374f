"""What billed operations cost: price lists, a traffic model, a forecast, and how costs grow."""
