print("@ID@")
