"""What an agent may do: the registry of tools, their execution, its audit."""
