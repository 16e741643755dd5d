"""What is said before there is an account: welcome, log in, register, a new password."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {
    "welcome.login": ("登录", "Log in"),
    "welcome.register": ("注册新账号", "Make an account"),
    "login.title": ("欢迎回来", "Welcome back"),
    "register.title": ("注册新账号", "Make an account"),
    "reset.title": ("重设密码", "Set a new password"),
    "field.email": ("邮箱", "E-mail"),
    "field.password": ("密码", "Password"),
    "field.new_password": ("新密码（至少 8 个字符）", "New password (8 characters or more)"),
    "field.name": ("昵称", "Name that others see"),
    "field.code": ("6 位验证码", "6-digit code"),
    "link.forgot": ("忘记密码", "Forgot the password?"),
    "link.register": ("没有账号？注册", "No account? Make one"),
    "link.login": ("已有账号？登录", "Have an account? Log in"),
    "code.sent": ("验证码已发送，请查收邮件", "A code is in your mail"),
    "password.set": ("密码已重设，请登录", "The password is set: log in"),
}
